"""The report of runs, one HTML page that holds all it shows: what is gathered, drawn and written is a file each."""
