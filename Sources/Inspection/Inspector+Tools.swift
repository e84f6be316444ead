internal import Calls
internal import Policy
internal import Telemetry
internal import Wire

/// Tools of MCP servers, told apart.
///
/// `tools/call` with `params.name` `add` is the operation `tools/call:add` once a limit, a drain or a collector's
/// sampling rule names it, or a call of it was answered otherwise than with −32602, by which servers say that they have
/// no such tool: so no client can make names up. Until then, and without a name, it is `tools/call`; where a path has
/// 128 tools already, further ones are `tools/call:_other`. Prompts and resources are not told apart: of addresses
/// there is no end.
extension Inspector {
    /// The operation of a JSON-RPC call.
    ///
    /// - Parameters:
    ///   - interface: The service.
    ///   - call: The call. If it names a tool that is not told apart yet, ``hasUnknownTool`` says so afterwards.
    /// - Returns: What the call is counted and judged under.
    func rpcOperation(interface: RawSpan, _ call: borrowing RPCCall) -> OperationID {
        if hasUnknownTool { dropTool() }
        guard limits.tellsToolsApart, call.tool.byteCount > 0 else {
            return rpcOperation(interface: interface, method: call.method)
        }
        return operations.tool(interface: interface, name: call.tool) ?? firstSight(of: call.tool, interface)
    }

    /// The operation of a tool that this worker has not met as one that is told apart.
    @inline(never)
    private func firstSight(of tool: RawSpan, _ interface: RawSpan) -> OperationID {
        let named = operations.toolOperation(interface: interface, name: tool)
        let base = Operation.tools(of: named.interface)
        switch registry.tool(named, naming(named, base)) {
        case .known(let operation):
            operations.learnTool(operation, interface: interface, name: tool)
            return operation
        case .overflow(let operation): return operation
        case .unknown:
            unknownTool = named
            hasUnknownTool = true
            return registry.intern(base)
        }
    }

    /// Whether a limit, a drain or a sampling rule tells a tool from the others.
    private func naming(_ tool: Operation, _ base: Operation) -> OperationRegistry.Naming {
        if isDraining, let orders = drainGate?.orders {
            let target = DrainTarget(interface: tool.interface, method: tool.method)
            if orders.contains(where: { $0.target == target }) { return .configured }
        }
        if isTraced, tracer?.sampler.names(tool) == true { return .configured }
        guard pipeline.limits.isActive, let gate else { return .none }
        return gate.names(tool) ? .configured : gate.tells(tool, from: base) ? .learned : .none
    }

    /// The call that has begun names a tool that is not told apart: its answer may change that.
    func keepTool(_ call: Int32) {
        if call >= 0, let unknownTool { calledTools[call] = unknownTool }
        dropTool()
    }

    private func dropTool() {
        unknownTool = nil
        hasUnknownTool = false
    }

    /// A call of a tool that is not told apart has ended.
    func learnTool(_ call: Int32, _ outcome: Outcome, _ code: Int32) {
        guard let tool = calledTools.removeValue(forKey: call) else { return }
        if outcome.isAnswered, outcome != .unknown, code != -32602 { _ = registry.tool(tool, .learned) }
    }

    /// A call has got another place in the table.
    func moveTool(_ call: Int32, to other: Int32) {
        if let tool = calledTools.removeValue(forKey: call) { calledTools[other] = tool }
    }
}
