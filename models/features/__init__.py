"""Computations that training and the stage must share. Free of torch; imports no other package of models."""
