"""What gpumon needs of a database, whichever it is: monitor/sqlite and monitor/postgresql each do it their way."""
