"""What estimation costs, and how it scales: timing by engine, objects, links, actors; cities;
other engines.
"""
