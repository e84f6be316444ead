// bench-count: repeats one workload, for a program that counts the instructions of this one.
//
// usage: bench-count --list
//        bench-count NAME REPETITIONS
//   REPETITIONS must be a multiple of 400; 0 only makes ready.
import Workloads

let arguments = CommandLine.arguments.dropFirst()
if arguments == ["--list"] {
    for workload in Workload.all { print(workload.name) }
} else if arguments.count == 2, let workload = Workload.all.first(where: { $0.name == arguments.first }),
    let repetitions = arguments.last.flatMap({ Int($0) }), repetitions >= 0, repetitions % Workload.round == 0
{
    try workload.prepare()(repetitions)
} else {
    preconditionFailure("usage: bench-count --list | NAME REPETITIONS (a multiple of \(Workload.round))")
}
