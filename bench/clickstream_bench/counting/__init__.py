"""What metrics of the pipeline cost, how fresh they are, and how fast their largest keys are answered."""
