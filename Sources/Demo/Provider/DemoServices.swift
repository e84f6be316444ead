internal import Hessian

/// The answers of the services of the demo's shop; they depend on the arguments alone.
enum DemoServices {
    static let orders = "com.example.shop.OrderService"
    static let inventory = "com.example.shop.InventoryService"
    static let users = "com.example.user.UserService"
    /// The version of all three.
    static let version = "1.0.0"
    /// The group of the inventory; the others have none.
    static let inventoryGroup = "depot"

    /// A sku that is never in stock.
    static let soldOutSKU = "SKU-000"
    /// A sku about which the inventory never answers.
    static let silentSKU = "SKU-404"
    /// A sku for which the answer takes ``slowMilliseconds``.
    static let slowSKU = "SKU-777"
    static let slowMilliseconds: UInt64 = 500
    /// A user whose record makes the directory fail.
    static let brokenUser: Int64 = -1
    /// The only right password.
    static let password = "correct horse"

    /// The answer.
    ///
    /// - Parameter request: Any request.
    /// - Returns: The answer, errors included.
    static func answer(_ request: DemoRequest) -> DemoAnswer {
        guard var answer = service(request) else {
            let call = "RpcInvocation [methodName=\(request.method), parameterTypes=null]"
            return DemoAnswer(.failure(status: 40, text: "Fail to decode request due to: \(call)"), 0...1)
        }
        if request.isGeneric, case .value(let value) = answer.content { answer.content = .value(value.generalized) }
        return answer
    }

    /// The answer of the service that is called; `nil` when there is none.
    private static func service(_ request: DemoRequest) -> DemoAnswer? {
        let answer: DemoAnswer?
        switch (request.interface, request.version, request.group) {
        case (orders, version, ""): answer = orderService(request)
        case (inventory, version, inventoryGroup): answer = inventoryService(request)
        case (users, version, ""): answer = userService(request)
        default: return nil
        }
        if let answer { return answer }
        if request.method == "$echo" { return DemoAnswer(.value(request.arguments.first ?? .null), 0...1) }
        let missing = "No such method \(request.method) in class interface \(request.interface)"
        return DemoAnswer(.failure(status: 70, text: "org.apache.dubbo.rpc.RpcException: \(missing)"), 0...1)
    }

    // MARK: The services; `nil` for a method they do not have

    private static func orderService(_ request: DemoRequest) -> DemoAnswer? {
        let first = request.arguments.first
        switch request.method {
        case "placeOrder":
            let quantity = request.arguments.last?.number ?? 0
            guard quantity > 0 else {
                return DemoAnswer(.exception(orderException("quantity must be positive", code: 422, request)), 5...20)
            }
            return DemoAnswer(.value(order(quantity &* 1009, sku: first?.text ?? "", quantity)), 12...80)
        case "findOrder":
            let id = first?.number ?? 0
            // One order in ten does not exist, which is no error: Java returns null.
            let found = id % 10 == 0 ? HessianValue.null : order(id, sku: "SKU-\(id % 100)", 1 + id % 4)
            return DemoAnswer(.value(found), 5...35)
        case "cancelOrder":
            let id = first?.number ?? 0
            guard id % 10 != 9 else {
                return DemoAnswer(.exception(orderException("order \(id) has shipped", code: 409, request)), 5...25)
            }
            return DemoAnswer(.value(.bool(true)), 8...40)
        default: return nil
        }
    }

    private static func inventoryService(_ request: DemoRequest) -> DemoAnswer? {
        let sku = request.arguments.first?.text ?? ""
        switch request.method {
        case "reserve":
            guard sku != soldOutSKU else {
                let thrown = exception(
                    "com.example.shop.OutOfStockException",
                    message: "\(sku) is sold out",
                    request: request
                )
                return DemoAnswer(.exception(thrown), 5...15)
            }
            return DemoAnswer(.value(.bool(true)), 6...30)
        case "stock":
            switch sku {
            case silentSKU: return DemoAnswer(.silence, 0...0)
            case slowSKU: return DemoAnswer(.value(.int32(3)), slowMilliseconds...slowMilliseconds)
            default: return DemoAnswer(.value(.int32(Int32(sku.utf8.count) * 7)), 5...12)
            }
        default: return nil
        }
    }

    private static func userService(_ request: DemoRequest) -> DemoAnswer? {
        switch request.method {
        case "login":
            guard request.arguments.last?.text == password else {
                let thrown = exception(
                    "com.example.user.LoginFailedException",
                    message: "wrong name or password",
                    request: request
                )
                return DemoAnswer(.exception(thrown), 15...40)
            }
            return DemoAnswer(.value(.string("b3c9e1f0-session")), 15...60)
        case "profile":
            let id = request.arguments.first?.number ?? 0
            guard id != brokenUser else {
                let text = "java.lang.IllegalStateException: user directory is not reachable"
                return DemoAnswer(.failure(status: 70, text: text), 20...60)
            }
            let name = HessianValue.string("José 😀")
            let since = HessianValue.date(1_577_836_800_000)
            return DemoAnswer(.value(.map([("id", .int64(id)), ("name", name), ("since", since)])), 5...25)
        // Called oneway: the page's name goes in, nothing comes out.
        case "track": return DemoAnswer(.value(.null), 0...1)
        default: return nil
        }
    }

    // MARK: Java's values

    private static func order(_ id: Int64, sku: String, _ quantity: Int64) -> HessianValue {
        let price = HessianValue.object("java.math.BigDecimal", [("value", .string("\(quantity &* 19).90"))])
        let count = HessianValue.int32(Int32(clamping: quantity))
        return .object(
            "com.example.shop.Order",
            [
                ("id", .int64(id)), ("sku", .string(sku)), ("quantity", count), ("price", price),
                ("status", .string("NEW")),
            ]
        )
    }

    private static func orderException(_ message: String, code: Int32, _ request: DemoRequest) -> JavaException {
        var thrown = exception("com.example.shop.OrderException", message: message, request: request)
        thrown.ownFields = [("code", .int32(code))]
        return thrown
    }

    private static func exception(_ className: String, message: String, request: DemoRequest) -> JavaException {
        let implementation = request.interface + "Impl"
        let file = (implementation.split(separator: ".").last.map(String.init) ?? implementation) + ".java"
        let trace = [
            JavaException.Line(className: implementation, method: request.method, file: file, line: 57),
            JavaException.Line(
                className: "org.apache.dubbo.rpc.proxy.AbstractProxyInvoker",
                method: "invoke",
                file: "AbstractProxyInvoker.java",
                line: 109
            ),
            JavaException.Line(
                className: "java.lang.Thread",
                method: "run",
                file: "Thread.java",
                line: 840,
                javaVersion: "17.0.15"
            ),
        ]
        return JavaException(className: className, message: message, trace: trace)
    }
}
