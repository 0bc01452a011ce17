"""What a supervisor sees of the register: figures by month and what is unusual in them, and no citizen."""
