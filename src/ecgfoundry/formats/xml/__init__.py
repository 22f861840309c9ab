"""XML documents of vendors and HL7."""
