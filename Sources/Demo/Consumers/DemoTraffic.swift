internal import Calls
internal import Hessian

/// The Dubbo 2 traffic: callers, calls and frequencies.
enum DemoTraffic {
    private typealias Choice = DemoApplication<DemoCall>.Choice

    /// The applications that speak Dubbo 2.
    ///
    /// - Parameter random: The generator of their first request ids.
    /// - Returns: Three of them; the first is the busiest.
    static func applications(_ random: inout DemoRandom) -> [DemoApplication<DemoCall>] {
        [
            DemoApplication("shop-web", firstID: random.next(), web),
            DemoApplication("mobile-gateway", firstID: random.next(), mobile),
            DemoApplication("batch", firstID: random.next(), batch),
        ]
    }

    private static let web: [Choice] = [
        Choice(280) { findOrder(&$0) }, Choice(160) { placeOrder(&$0) }, Choice(220) { stock(&$0) },
        Choice(120) { reserve(&$0) }, Choice(90) { profile(&$0) }, Choice(70) { track(&$0) },
        Choice(30) { login(&$0, password: DemoServices.password) },
        Choice(2) { login(&$0, password: "guess", expected: .businessError) },
        Choice(10) { reserve(&$0, sku: DemoServices.soldOutSKU, expected: .businessError) },
        Choice(5) { placeOrder(&$0, quantity: 0, expected: .businessError) },
        Choice(3) { profile(&$0, id: DemoServices.brokenUser, expected: .serverError) },
        Choice(2) { stock(&$0, sku: DemoServices.slowSKU, timeoutMilliseconds: 150, expected: .timeout) },
    ]

    private static let mobile: [Choice] = [
        Choice(300) { profile(&$0) }, Choice(120) { login(&$0, password: DemoServices.password) },
        Choice(240) { findOrder(&$0) }, Choice(180) { track(&$0) }, Choice(60) { cancelOrder(&$0) },
        Choice(80) { stock(&$0) },
        Choice(5) { login(&$0, password: "1234", expected: .businessError) },
        Choice(6) { cancelOrder(&$0, lastDigit: 9, expected: .businessError) },
        Choice(4) { profile(&$0, id: DemoServices.brokenUser, expected: .serverError) },
        Choice(3) { stock(&$0, sku: DemoServices.silentSKU, timeoutMilliseconds: 200, expected: .timeout) },
    ]

    private static let batch: [Choice] = [
        Choice(300) { generic(findOrder(&$0)) }, Choice(300) { generic(stock(&$0)) }, Choice(200) { findOrder(&$0) },
        Choice(60) { cancelOrder(&$0) }, Choice(20) { _ in echo },
        // An old client, of a version that nobody provides any more.
        Choice(12) {
            var call = findOrder(&$0)
            (call.version, call.expected) = ("0.9.0", .clientError)
            return call
        },
        Choice(5) { _ in
            DemoCall(
                interface: DemoServices.orders,
                method: "archive",
                parameters: [],
                arguments: [],
                expected: .serverError
            )
        },
    ]

    // MARK: Calls

    private static func findOrder(_ random: inout DemoRandom) -> DemoCall {
        let id = Int64.random(in: 1...99_999, using: &random)
        return DemoCall(
            interface: DemoServices.orders,
            method: "findOrder",
            parameters: [.long],
            arguments: [.int64(id)]
        )
    }

    private static func placeOrder(
        _ random: inout DemoRandom,
        quantity: Int32? = nil,
        expected: Outcome = .ok
    ) -> DemoCall {
        let quantity = quantity ?? Int32.random(in: 1...5, using: &random)
        return DemoCall(
            interface: DemoServices.orders,
            method: "placeOrder",
            parameters: [.string, .int],
            arguments: [.string(sku(&random)), .int32(quantity)],
            expected: expected
        )
    }

    private static func cancelOrder(
        _ random: inout DemoRandom,
        lastDigit: Int64 = 3,
        expected: Outcome = .ok
    ) -> DemoCall {
        let id = Int64.random(in: 1...9999, using: &random) * 10 + lastDigit
        return DemoCall(
            interface: DemoServices.orders,
            method: "cancelOrder",
            parameters: [.long],
            arguments: [.int64(id)],
            expected: expected
        )
    }

    private static func reserve(
        _ random: inout DemoRandom,
        sku: String? = nil,
        expected: Outcome = .ok
    ) -> DemoCall {
        DemoCall(
            interface: DemoServices.inventory,
            group: DemoServices.inventoryGroup,
            method: "reserve",
            parameters: [.string, .int],
            arguments: [.string(sku ?? self.sku(&random)), .int32(1)],
            expected: expected
        )
    }

    private static func stock(
        _ random: inout DemoRandom,
        sku: String? = nil,
        timeoutMilliseconds: UInt64 = 1000,
        expected: Outcome = .ok
    ) -> DemoCall {
        DemoCall(
            interface: DemoServices.inventory,
            group: DemoServices.inventoryGroup,
            method: "stock",
            parameters: [.string],
            arguments: [.string(sku ?? self.sku(&random))],
            timeoutMilliseconds: timeoutMilliseconds,
            expected: expected
        )
    }

    private static func login(
        _ random: inout DemoRandom,
        password: String,
        expected: Outcome = .ok
    ) -> DemoCall {
        let user = "user\(Int.random(in: 1...500, using: &random))@example.com"
        return DemoCall(
            interface: DemoServices.users,
            method: "login",
            parameters: [.string, .string],
            arguments: [.string(user), .string(password)],
            expected: expected
        )
    }

    private static func profile(
        _ random: inout DemoRandom,
        id: Int64? = nil,
        expected: Outcome = .ok
    ) -> DemoCall {
        DemoCall(
            interface: DemoServices.users,
            method: "profile",
            parameters: [.long],
            arguments: [.int64(id ?? Int64.random(in: 1...500, using: &random))],
            expected: expected
        )
    }

    private static func track(_ random: inout DemoRandom) -> DemoCall {
        let page = ["/", "/cart", "/checkout", "/orders"].randomElement(using: &random) ?? "/"
        return DemoCall(
            interface: DemoServices.users,
            method: "track",
            parameters: [.string],
            arguments: [.string(page)],
            isOneway: true,
            expected: .oneway
        )
    }

    /// Dubbo's own check that a service is there.
    private static let echo = DemoCall(
        interface: DemoServices.orders,
        method: "$echo",
        parameters: [.object],
        arguments: [.string("OK")]
    )

    private static func generic(_ call: DemoCall) -> DemoCall {
        var call = call
        call.isGeneric = true
        return call
    }

    /// A sku that is in stock.
    private static func sku(_ random: inout DemoRandom) -> String {
        "SKU-\(Int.random(in: 100...399, using: &random))"
    }
}
