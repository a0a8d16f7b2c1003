"""The whole product on one machine: servers, site and worker under one command, and the demo."""
