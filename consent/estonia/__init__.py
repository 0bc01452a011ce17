"""Estonia's Data Tracker (Andmejälgija), spoken natively."""
