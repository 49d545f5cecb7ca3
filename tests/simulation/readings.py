"""The invariants of notes/reliability.md §4.2 that every run holds, each as the checker reads it, and where it is held.

Data for the printed summary and docs/proof.md; `test_tools` sees to it that each is truly asserted.
"""

INVARIANTS: dict[str, tuple[str, str]] = {
    "S1": ("what was acknowledged is there after any crash: deployments, drains, nodes", "operators"),
    "S2": ("on disk is what was decided, no more and no less: each second, and all of it at the end", "invariants"),
    "S3": ("a replica has at most one wanted assignment, of its highest epoch; epochs never go back", "invariants"),
    "S5": ("what nobody wants runs only out of reach, or until 10 s after its node is back; outgoing copies of a "
           "deployment or a drain are wanted", "running"),
    "S6": ("an agent never obeys an older word, and obeys what the Center said at that revision", "obedience"),
    "S7": ("at most one container is alive for each replica and epoch", "running"),
    "S8": ("a wanted container is stopped only for a recorded reason: an order, a failed health check", "running"),
    "S9": ("nobody is called offline who was heard within 15 s", "invariants"),
    "S10": ("offline by 15.5 s of silence while the Center is well; with 30 s of grace after its start", "invariants"),
    "S11": ("no two live assignments share a host port, none is used again while its holder may live, all lie in "
            "the node's range", "invariants"),
    "S14": ("what an agent says changes only what is on its own node", "invariants"),
    "S15": ("what comes from a superseded session has no effect", "invariants"),
    "S16": ("an ended epoch, task or deployment stays ended", "invariants"),
    "S17": ("reports of an assignment never go back in their count", "invariants"),
    "S20": ("queues and tables stay within their limits", "invariants"),
    "S21": ("while the guard holds nothing moves by itself, and it holds when it should", "invariants"),
    "L1": ("in the calm everything is as wanted within 60 s, and truly runs so", "liveness"),
    "L2": ("a lost node is offline by 15.5 s, its replicas have successors then, which run by 20 s", "drills"),
    "L3": ("15 s after a restart of the Center all nodes are online, and nothing has moved", "drills"),
    "L4": ("every task and deployment ends", "liveness"),
    "L5": ("stale containers are gone 10 s after their node is back", "running"),
    "L7": ("in a quiet minute nobody does anything; a loss moves a replica once, all else at most three times in "
           "10 minutes", "liveness"),
    "L8": ("preparations are released 30 s after their node is back, and none is left in the calm", "liveness"),
}  # fmt: skip
"""Name -> how it is read, and the module that asserts it."""
