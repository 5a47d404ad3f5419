"""Tools that turn the sources into the book: notebooks, execute, stage, build, check_html."""
