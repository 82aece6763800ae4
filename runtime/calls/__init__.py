"""The calls that every face makes: search, fetch and do, and a few that look at the house itself."""
