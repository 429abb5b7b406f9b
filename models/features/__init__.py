"""Computations that training and the stage must share; free of torch."""
