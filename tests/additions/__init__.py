"""The pages docs/adding-a-*.md, carried out: each adds its file and its line to a copy of the project, and it works."""
