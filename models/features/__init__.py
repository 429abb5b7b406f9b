"""What training and the stage must compute alike; free of torch."""
