"""Who says what the objects are made of and where to measure: the paper's V_init and V_pos."""
