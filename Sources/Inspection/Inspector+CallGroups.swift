internal import Calls
internal import JSONRPC
internal import Wire

extension Inspector {
    /// The calls of a JSON-RPC message, by operation, in the order of their first ones.
    func groups(of reader: RPCReader, interface: RawSpan) -> [CallGroup] {
        var groups: [CallGroup] = []
        var places: [OperationID: Int] = [:]
        reader.eachCall { call in
            let operation = rpcOperation(interface: interface, call)
            let place = places[operation] ?? groups.count
            if place == groups.count {
                groups.append(CallGroup(operation: operation))
                places[operation] = place
            }
            groups[place].calls += 1
            if !call.isNotification { groups[place].isOneway = false }
        }
        let isBatch = reader.scanner.isBatch
        reader.eachOtherMethod { method in
            let operation = rpcOperation(interface: interface, method: method)
            let place = places[operation] ?? groups.count
            guard isBatch || place == groups.count else { return }
            if place == groups.count {
                groups.append(CallGroup(operation: operation))
                places[operation] = place
            }
            groups[place].calls += 1
        }
        // What is not remembered may be calls of any method that was seen.
        let surplus = reader.surplus
        for place in groups.indices where surplus > 0 { groups[place].calls += surplus }
        return groups
    }
}
