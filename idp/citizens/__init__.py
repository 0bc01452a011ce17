"""Citizens: who they are, as the population register says, and the account they log in with."""
