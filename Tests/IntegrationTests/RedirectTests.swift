import Foundation
import Testing

extension Integration {
    /// Connections that the kernel redirects, between network namespaces; needs root, `ip` and `nft`.
    @Suite struct RedirectTests {
        @Test(
            "Connections to the provider's ports go through Weir and on to where they were going",
            .timeLimit(.minutes(10))
        )
        func providerSide() throws {
            guard RedirectScene.canRun() else { return }
            let scene = try RedirectScene()
            let weir = try scene.weir(
                in: RedirectScene.provider,
                ["--listen", "[::]:16006", "--set", "provider.ports=20880"]
            )
            let direct = try scene.connect(from: RedirectScene.consumer, to: RedirectScene.providerHosts[1])
            try direct.call(1)
            try scene.intercept(in: RedirectScene.provider, "install", "--ports", "20880")
            for (index, host) in RedirectScene.providerHosts.enumerated() {
                let connection = try scene.connect(from: RedirectScene.consumer, to: host)
                for id in 1...5 { try connection.call(UInt64(id), interface: "demo.V\(index)") }
                try checkConnection(
                    weir,
                    upstream: Address(host, RedirectScene.port),
                    peer: try connection.local,
                    side: "provider"
                )
                // The application has Weir as its client, which is on its own machine.
                #expect(RedirectScene.providerHosts.contains(scene.lastPeer() ?? ""))
            }
            let metrics = try weir.metrics("both connections ended") { $0.sum("weir_open_connections") == 0 }
            for index in 0...1 {
                let labels = ["side": "provider", "interface": "demo.V\(index)", "outcome": "ok"]
                #expect(metrics.sum("weir_calls_total", labels) == 5)
            }
            #expect(metrics.sum("weir_connections_refused_total") == 0)
            #expect(metrics.sum("weir_intercepted_connections_total", ["side": "provider"]) == 2)
            try weir.metrics("the one from before is seen") {
                $0.sum("weir_direct_connections", ["port": "20880"]) == 1
            }
            direct.close()
            try weir.metrics("it is gone") { $0.sum("weir_direct_connections") == 0 }

            try scene.intercept(in: RedirectScene.provider, "remove")
            for (index, host) in RedirectScene.providerHosts.enumerated() {
                try scene.connect(from: RedirectScene.consumer, to: host).call(9)
                #expect(scene.lastPeer() == RedirectScene.consumerHosts[index])
            }
            #expect(try weir.metrics().sum("weir_connections_total") == 2)
            // Nothing is there to remove, and that is no error.
            try scene.intercept(in: RedirectScene.provider, "remove")
            #expect(try weir.stop() == .exited(0))
        }

        @Test("The application's own connections go through Weir, Weir's own do not", .timeLimit(.minutes(10)))
        func consumerSide() throws {
            guard RedirectScene.canRun() else { return }
            let scene = try RedirectScene()
            let arguments = ["--set", "provider.enabled=false", "--consumer-listen", "[::]:16001"]
            let weir = try scene.weir(in: RedirectScene.consumer, arguments, user: "65534")
            try scene.intercept(
                in: RedirectScene.consumer,
                "install",
                "--consumer-ports",
                "all",
                "--exclude",
                "3306",
                "--user",
                "65534"
            )
            for (index, host) in RedirectScene.providerHosts.enumerated() {
                let connection = try scene.connect(from: RedirectScene.consumer, to: host)
                for id in 1...3 { try connection.call(UInt64(id), interface: "demo.V\(index)") }
                try checkConnection(weir, upstream: Address(host, RedirectScene.port), peer: nil, side: "consumer")
            }
            let metrics = try weir.metrics("both connections ended") { $0.sum("weir_open_connections") == 0 }
            #expect(metrics.sum("weir_calls_total", ["side": "consumer", "outcome": "ok"]) == 6)
            #expect(metrics.sum("weir_connections_total") == 2)
            #expect(metrics.sum("weir_connections_refused_total") == 0)

            try scene.intercept(in: RedirectScene.consumer, "remove")
            try scene.connect(from: RedirectScene.consumer, to: RedirectScene.providerHosts[0]).call(9)
            #expect(try weir.metrics().sum("weir_connections_total") == 2)
        }

        @Test(
            "A connection to the proxy's own port ends in a reset and is counted, not relayed in circles",
            .timeLimit(.minutes(10))
        )
        func noLoop() throws {
            guard RedirectScene.canRun() else { return }
            let scene = try RedirectScene()
            let weir = try scene.weir(in: RedirectScene.provider, ["--listen", "[::]:16006"])
            try scene.intercept(in: RedirectScene.provider, "install", "--ports", "20880")
            let hosts = RedirectScene.providerHosts
            for host in hosts {
                #expect(try scene.end(ofConnectionFrom: RedirectScene.consumer, to: host) == .reset)
            }
            for host in ["127.0.0.1", "::1"] {
                #expect(try scene.end(ofConnectionFrom: RedirectScene.provider, to: host) == .reset)
            }
            // Redirected to the proxy, which the kernel does to one address of the two: what was meant is either that
            // one or another one of this machine, each with the proxy's port.
            try scene.redirect(port: 16006, to: 16006, in: RedirectScene.provider)
            for host in hosts + RedirectScene.secondHosts {
                #expect(try scene.end(ofConnectionFrom: RedirectScene.consumer, to: host) == .reset)
            }
            let metrics = try weir.metrics("eight refusals") { $0.sum("weir_connections_refused_total") == 8 }
            #expect(metrics.sum("weir_connections_refused_total", ["reason": "no_destination"]) == 6)
            #expect(metrics.sum("weir_connections_refused_total", ["reason": "loop"]) == 2)
            #expect(metrics.sum("weir_connections_total") == 0)
            #expect(metrics.sum("weir_open_connections") == 0)
            #expect(weir.process.errorText.contains("connection refused"))

            // And the rules for the service still hold.
            try scene.connect(from: RedirectScene.consumer, to: hosts[0]).call(1)
            #expect(try weir.metrics().sum("weir_calls_total", ["outcome": "ok"]) == 1)
        }

        @Test("With --local, connections from the provider's own machine go through Weir too", .timeLimit(.minutes(10)))
        func localConnections() throws {
            guard RedirectScene.canRun() else { return }
            let scene = try RedirectScene()
            let weir = try scene.weir(in: RedirectScene.provider, ["--listen", "[::]:16006"], user: "65534")
            try scene.intercept(
                in: RedirectScene.provider,
                "install",
                "--ports",
                "20000-21000",
                "--local",
                "--user",
                "65534"
            )
            for host in ["127.0.0.1", "::1"] + RedirectScene.providerHosts {
                try scene.connect(from: RedirectScene.provider, to: host).call(1)
            }
            try scene.connect(from: RedirectScene.consumer, to: RedirectScene.providerHosts[1]).call(1)
            let metrics = try weir.metrics("all ended") { metrics in
                metrics.sum("weir_open_connections") == 0 && metrics.sum("weir_connections_total") == 5
            }
            #expect(metrics.sum("weir_calls_total", ["side": "provider", "outcome": "ok"]) == 5)
            #expect(metrics.sum("weir_connections_refused_total") == 0)
        }

        /// The one open connection leads to where its client was going.
        private func checkConnection(_ weir: WeirProcess, upstream: Address, peer: Address?, side: String) throws {
            let open = try #require(try weir.get("/v1/connections").json as? [[String: Any]])
            let one = try #require(open.first { ($0["upstream"] as? String) == upstream.description }, "\(open)")
            #expect(one["side"] as? String == side)
            #expect(one["protocol"] as? String == "dubbo")
            if let peer { #expect(one["peer"] as? String == peer.description) }
        }
    }
}
