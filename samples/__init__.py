"""The sample programs; `program` has what they share."""
