"""The subcommands of `racedeck`, one file each or one per family; imported only when called."""
