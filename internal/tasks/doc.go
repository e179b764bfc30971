// Package tasks evaluates a graph of keyed tasks: each is a folder that must exist, and has a key, a digest of
// everything that determines the folder's content. It knows no stage, no network and no brain.
//
// # What is done
//
// A folder under its final name is whole and is its task's done-marker: equal key, equal content, so a task
// whose key is there is never done again. A task fills NAME.partial beside the final name, where an interrupted
// run's finished parts and checkpoints wait for the next, and renames it when it is whole. A folder is found by
// the KEY at the end of its name; the words before it are for people. Where only the newest of a kind is wanted
// (results), the folder has one name, and its record says which key it has.
//
// # What lies in the output folder
//
//	OUT/…/WORDS-KEY/             a finished task's folder, with
//	    task.json                Record: what the key was made of, how long it took, digests of the files
//	    log.jsonl                what the task had to say
//	OUT/…/WORDS-KEY.partial/     an unfinished one
//	OUT/tasks/claims/KEY/        owner.json: the process that works at it now
//	OUT/tasks/failed/KEY.json    Failure: why it failed when it was last tried
//
// # Two processes on one folder
//
// Before a process works at a task it claims it: it renames a folder that it made into OUT/tasks/claims/KEY,
// which fails if a claim is there. A rename is atomic on every file system that is shared between machines;
// locks of files are not, so there are none. A claim of a process that is gone is taken over: at once where the
// process table says so (same machine), else when its heartbeat, the time of owner.json, has stood still for a
// minute as the observer's own clock counts it. Should two processes ever work at one task all the same (one
// was stopped for longer and went on), they write the same bytes, each file whole, and the second to finish
// finds the folder there.
//
// # Executors
//
// Eval finds out what is missing and hands it to an Executor: Local works at it in this process, Slurm writes
// it as array jobs, submits them, and ends. Either way the state of things is in the output folder and in
// Slurm's queue, never in a process that has to stay alive.
package tasks
