namespace Natalia.Backup.ProxmoxSimulator;

/// <summary>Users, tokens, tickets and second factors of the simulated cluster.</summary>
internal sealed class SimulatedAccounts(JumpingClock clock)
{
    internal static readonly TimeSpan TicketLife = TimeSpan.FromHours(2);
    private readonly Dictionary<string, (string User, DateTimeOffset Issued, string Csrf)> _tickets = [];
    private readonly Dictionary<string, string> _challenges = [];
    private int _serial;

    internal Dictionary<string, string> Passwords { get; } = new() { ["root@pam"] = "correct horse" };
    internal Dictionary<string, string> Tokens { get; } = new()
    {
        ["backup@pve!natalia"] = "11111111-2222-3333-4444-555555555555",
    };
    /// <summary>Users with a second factor, and the code that is right now.</summary>
    internal Dictionary<string, string> Codes { get; } = [];
    /// <summary>Users whose only second factor is a security key.</summary>
    internal HashSet<string> KeyOnly { get; } = [];
    internal int Logins { get; private set; }
    internal int Renewals { get; private set; }
    internal int Refusals { get; private set; }

    internal void ExpireAllTickets() => _tickets.Clear();

    internal SimulatorReply Login(SimulatorRequest request)
    {
        string user = request["username"]!, password = request["password"]!;
        if (request["tfa-challenge"] is string challenge)
        {
            if (!_challenges.Remove(challenge, out string? challenged) || challenged != user
                || password != "totp:" + Codes[user])
                return SimulatorReply.Fail(401, "authentication failure");
            Logins++;
            return Issue(user);
        }
        if (_tickets.TryGetValue(password, out (string User, DateTimeOffset Issued, string Csrf) old)
            && old.User == user
            && clock.GetUtcNow() - old.Issued < TicketLife)
        {
            Renewals++;
            return Issue(user);
        }
        if (!Passwords.TryGetValue(user, out string? expected) || expected != password)
        {
            Refusals++;
            return SimulatorReply.Fail(401, "authentication failure");
        }
        if (Codes.ContainsKey(user) || KeyOnly.Contains(user))
        {
            string json = KeyOnly.Contains(user)
                ? "{\"totp\":false,\"webauthn\":{\"publicKey\":{}}}"
                : "{\"totp\":true,\"recovery\":\"available\"}";
            string ticket = $"PVE:!tfa!{Uri.EscapeDataString(json)}:{++_serial:X8}::c2lnbmF0dXJl";
            _challenges[ticket] = user;
            return SimulatorReply.Ok(new { username = user, ticket, CSRFPreventionToken = "none", NeedTFA = 1 });
        }
        Logins++;
        return Issue(user);
    }

    internal string Authenticate(SimulatorRequest request)
    {
        const string cookieName = "PVEAuthCookie=", scheme = "PVEAPIToken=";
        if (request.Cookie?.StartsWith(cookieName, StringComparison.Ordinal) == true)
        {
            string ticket = Uri.UnescapeDataString(request.Cookie[cookieName.Length..]);
            if (!_tickets.TryGetValue(ticket, out (string User, DateTimeOffset Issued, string Csrf) known)
                || clock.GetUtcNow() - known.Issued >= TicketLife)
                throw Refuse("permission denied - invalid PVE ticket");
            if (request.Method != "GET" && request.Csrf != known.Csrf)
                throw Refuse("Permission denied - invalid csrf token");
            return known.User;
        }
        if (request.Authorization?.StartsWith(scheme, StringComparison.Ordinal) == true)
        {
            string token = request.Authorization[scheme.Length..];
            int equals = token.LastIndexOf('=');
            if (equals > 0 && Tokens.TryGetValue(token[..equals], out string? secret)
                && secret == token[(equals + 1)..])
            {
                if (request.Csrf is not null) throw new SimulatorRefusal(400, "a token with a CSRF token");
                return token[..equals];
            }
            throw Refuse("no such token");
        }
        throw Refuse("No ticket");
    }

    private SimulatorRefusal Refuse(string why)
    {
        Refusals++;
        return new SimulatorRefusal(401, why);
    }

    private SimulatorReply Issue(string user)
    {
        // Slashes, plus and equals signs as in a real signature.
        string ticket = $"PVE:{user}:{++_serial:X8}::c2ln+bmF0/dXJl{_serial}==";
        _tickets[ticket] = (user, clock.GetUtcNow(), $"{_serial:X8}:csrf+token/");
        return SimulatorReply.Ok(new
        {
            username = user,
            ticket,
            CSRFPreventionToken = _tickets[ticket].Csrf,
            clustername = "lab"
        });
    }
}
