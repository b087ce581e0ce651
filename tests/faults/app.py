"""The web application of the harness: that of the portal, in a process that suffers what FAULTS_TROUBLE says."""

import json
import os
from pathlib import Path

from mlops_portal.jobs import lifeline
from mlops_portal.wsgi import application
from tests.faults.trouble import Trouble, plant

__all__ = ["application"]

lifeline.tie(os.getppid(), grace_s=1)
plant(Trouble(**json.loads(os.environ["FAULTS_TROUBLE"])), Path(os.environ["FAULTS_SPRUNG"]))
