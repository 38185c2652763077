"""Operations that a person decides on: dead letters and held operations."""
