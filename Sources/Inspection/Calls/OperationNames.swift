package import Calls
internal import JSONRPC
internal import Policy
internal import Telemetry
internal import Wire

/// One worker's cache of the names that requests call operations by.
package final class OperationNames {
    /// The operations by their numbers.
    let registry: OperationRegistry
    /// The operation of calls whose names are not known.
    let unknown: OperationID
    /// Operations by their names' own bytes.
    var cache: OperationCache
    /// Tools of MCP servers, told apart.
    let tools: ToolNames

    /// No names known.
    ///
    /// - Parameters:
    ///   - registry: The operations of the process.
    ///   - pipeline: What may tell a tool from the others.
    ///   - tellsToolsApart: True if tools of MCP servers are told apart.
    init(registry: OperationRegistry, pipeline: RequestPipeline, tellsToolsApart: Bool) {
        self.registry = registry
        cache = OperationCache(registry: registry)
        tools = ToolNames(registry: registry, pipeline: pipeline, isActive: tellsToolsApart)
        unknown = registry.intern(
            Operation(callProtocol: .dubbo, interface: "unknown", version: "", group: "", method: "")
        )
    }

    /// The operation of those names, learnt if need be.
    ///
    /// - Parameters:
    ///   - callProtocol: Whose call it is.
    ///   - interface: The interface; at most ``OperationCache/maxNameBytes`` of each name are kept.
    ///   - version: The service's version; empty for none.
    ///   - method: The method.
    ///   - group: The service's group; empty for none.
    /// - Returns: What the call is counted and decided about under; the protocol's overflow operation if the process
    ///   knows too many.
    package func operation(
        _ callProtocol: CallProtocol,
        interface: RawSpan,
        version: RawSpan = RawSpan(),
        method: RawSpan,
        group: RawSpan = RawSpan()
    ) -> OperationID {
        cache.operation(callProtocol, interface: interface, version: version, method: method, group: group)
    }

    /// The operation of a JSON-RPC call.
    ///
    /// - Parameters:
    ///   - call: The call. If it names a tool that is not told apart yet, ``ToolNames/hasUnknown`` says so afterwards.
    ///   - interface: The service.
    /// - Returns: What the call is counted and decided about under.
    func operation(of call: borrowing RPCCall, interface: RawSpan) -> OperationID {
        if tools.hasUnknown { tools.dropUnknown() }
        guard tools.isActive, call.tool.byteCount > 0 else {
            return operation(ofMethod: call.method, interface: interface)
        }
        return cache.tool(interface: interface, name: call.tool) ?? firstSight(of: call.tool, interface: interface)
    }

    /// The operation of a JSON-RPC method.
    func operation(ofMethod method: RawSpan, interface: RawSpan) -> OperationID {
        let none = interface.extracting(0..<0)
        return cache.operation(.jsonrpc, interface: interface, version: none, method: method, group: none)
    }

    /// The operation of a tool that this worker has not met as one that is told apart.
    @inline(never)
    private func firstSight(of tool: RawSpan, interface: RawSpan) -> OperationID {
        let named = cache.toolOperation(interface: interface, name: tool)
        switch tools.lookUp(named) {
        case .known(let operation):
            cache.learnTool(operation, interface: interface, name: tool)
            return operation
        case .overflow(let operation): return operation
        case .unknown: return registry.intern(Operation.tools(of: named.interface))
        }
    }

    /// The calls of a JSON-RPC message, by operation, in the order of their first ones.
    ///
    /// - Parameters:
    ///   - reader: What was read of it.
    ///   - interface: The service that its path names; empty on raw TCP.
    /// - Returns: The groups.
    func groups(of reader: RPCReader, interface: RawSpan) -> [CallGroup] {
        var groups: [CallGroup] = []
        var places: [OperationID: Int] = [:]
        reader.eachCall { call in
            let operation = operation(of: call, interface: interface)
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
            let operation = operation(ofMethod: method, interface: interface)
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

    /// The calls of a JSON-RPC message that has not ended, as far as they are known.
    ///
    /// - Parameters:
    ///   - reader: What was read of it; `nil` if its methods are not known.
    ///   - interface: The service that its path names.
    /// - Returns: The groups; of a message that is no batch, one for whatever call it turns out to be.
    func groupsSoFar(of reader: RPCReader?, interface: RawSpan) -> [CallGroup] {
        guard let reader else {
            let unknown = operation(ofMethod: interface.extracting(0..<0), interface: interface)
            return [CallGroup(operation: unknown, calls: 1, isOneway: false, isForAll: true)]
        }
        var groups = groups(of: reader, interface: interface)
        guard !reader.scanner.isBatch else { return groups }
        // Its id may still come.
        for place in groups.indices {
            groups[place].isForAll = true
            groups[place].isOneway = false
        }
        return groups
    }
}

/// Tools of MCP servers, told apart.
///
/// `tools/call` with `params.name` `add` is the operation `tools/call:add` once a limit, a drain or a collector's
/// sampling rule names it, or a call of it was answered otherwise than with −32602, by which servers say that they have
/// no such tool: so no client can make names up. Until then, and without a name, it is `tools/call`; where a path has
/// 128 tools already, further ones are `tools/call:_other`. Prompts and resources are not told apart: of addresses
/// there is no end.
final class ToolNames {
    /// True if tools are told apart.
    let isActive: Bool
    /// True if the call being read names a tool that is not told apart.
    private(set) var hasUnknown = false
    private var unknown: Operation?
    /// Calls in flight of such tools, by their places in the call table.
    private var called: [Int32: Operation] = [:]
    private let registry: OperationRegistry
    private let pipeline: RequestPipeline

    init(registry: OperationRegistry, pipeline: RequestPipeline, isActive: Bool) {
        self.registry = registry
        self.pipeline = pipeline
        self.isActive = isActive
    }

    /// Looks a tool up among those of the process.
    func lookUp(_ tool: Operation) -> OperationRegistry.Tool {
        let found = registry.tool(tool, naming(tool))
        if case .unknown = found {
            unknown = tool
            hasUnknown = true
        }
        return found
    }

    /// True if a limit, a drain or a sampling rule tells a tool from the others.
    private func naming(_ tool: Operation) -> OperationRegistry.Naming {
        if pipeline.drains.isActive, let orders = pipeline.drains.gate?.orders {
            let target = DrainTarget(interface: tool.interface, method: tool.method)
            if orders.contains(where: { $0.target == target }) { return .configured }
        }
        if pipeline.injection.tracer?.sampler.names(tool) == true { return .configured }
        guard pipeline.limits.isActive, let gate = pipeline.limits.gate else { return .none }
        if gate.names(tool) { return .configured }
        return gate.tells(tool, from: Operation.tools(of: tool.interface)) ? .learned : .none
    }

    /// The call that has begun names a tool that is not told apart: its answer may change that.
    func keepUnknown(_ call: Int32) {
        if call >= 0, let unknown { called[call] = unknown }
        dropUnknown()
    }

    /// The call being read is no call of such a tool.
    func dropUnknown() {
        unknown = nil
        hasUnknown = false
    }

    /// A call has ended.
    @inline(__always)
    func ended(_ call: Int32, outcome: Outcome, code: Int32) {
        if !called.isEmpty { learn(call, outcome: outcome, code: code) }
    }

    private func learn(_ call: Int32, outcome: Outcome, code: Int32) {
        guard let tool = called.removeValue(forKey: call) else { return }
        if outcome.isAnswered, outcome != .unknown, code != -32602 { _ = registry.tool(tool, .learned) }
    }

    /// A call goes on in another process.
    func forget(_ call: Int32) { called.removeValue(forKey: call) }

    /// A call has got another place in the table.
    func move(_ call: Int32, to other: Int32) {
        guard !called.isEmpty, let tool = called.removeValue(forKey: call) else { return }
        called[other] = tool
    }
}
