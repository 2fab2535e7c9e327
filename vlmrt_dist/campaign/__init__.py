"""What was or will be measured, and where: setups, campaigns, carriers, the radio
configuration.
"""
