"""Records of the register in the words of ISO/IEC TS 27560 and of the Data Privacy Vocabulary, as JSON-LD."""
