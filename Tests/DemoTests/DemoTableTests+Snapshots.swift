extension DemoTableTests {
    static let hundredColumns = """
         weir demo                                                                                  up 0:42
         shop-web, mobile-gateway, batch ─▶ weir 127.0.0.1:16006 ─▶ provider 127.0.0.1:20880

         402.3 calls/s    1.9 % errors    4 connections    9 in flight    16,842 calls

         INTERFACE               METHOD      VIA      CALLS/S  ERRORS      P50      P99  IN FLIGHT    TOTAL
         ──────────────────────────────────────────────────────────────────────────────────────────────────
         c.e.s.OrderService      findOrder   dubbo      121.4     0 %   8.2 ms  29.1 ms          2    1.2 M
         c.e.s.InventoryService  stock       triple      97.5   0.9 %   6.7 ms  12.1 ms          1    4,098
         c.e.s.OrderService      placeOrder  dubbo       40.3   5.2 %   870 µs   101 ms          3    1,777
         c.e.u.UserService       track       jsonrpc     32.0     0 %        –        –          0    1,203

         Ctrl-C stops   metrics http://127.0.0.1:16080/metrics

        """

    static let wideColumns = """
         weir demo                                                                                                         up 0:42
         shop-web, mobile-gateway, batch ─▶ weir 127.0.0.1:16006 ─▶ provider 127.0.0.1:20880

         402.3 calls/s    1.9 % errors    4 connections    9 in flight    16,842 calls

         INTERFACE                          METHOD      VIA      CALLS/S              ERRORS      P50      P99  IN FLIGHT    TOTAL
         ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
         com.example.shop.OrderService      findOrder   dubbo      121.4 ███████████     0 %   8.2 ms  29.1 ms          2    1.2 M
         com.example.shop.InventoryService  stock       triple      97.5 ████████▉     0.9 %   6.7 ms  12.1 ms          1    4,098
         com.example.shop.OrderService      placeOrder  dubbo       40.3 ███▋          5.2 %   870 µs   101 ms          3    1,777
         com.example.user.UserService       track       jsonrpc     32.0 ██▉             0 %        –        –          0    1,203

         Ctrl-C stops   metrics http://127.0.0.1:16080/metrics

        """

    static let narrowColumns = """
         weir demo                                           up 0:42
         402.3 calls/s    1.9 % errors    4 connections
         INTERFACE              METHOD      CALLS/S  ERRORS      P99
         ───────────────────────────────────────────────────────────
         c.e.s.OrderService     findOrder     121.4     0 %  29.1 ms
         …e.s.InventoryService  stock          97.5   0.9 %  12.1 ms
         c.e.s.OrderService     placeOrder     40.3   5.2 %   101 ms
         c.e.u.UserService      track          32.0     0 %        –

        """

    static let emptyTable = """
         weir demo                                                   up 1:02:03

         – calls/s    – errors    4 connections    9 in flight    0 calls

         INTERFACE  METHOD  VIA      CALLS/S  ERRORS      P50      P99    TOTAL
         ──────────────────────────────────────────────────────────────────────
         no calls yet

        """
}
