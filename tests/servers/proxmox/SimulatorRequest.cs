namespace Natalia.Backup.ProxmoxSimulator;

/// <summary>A request as it came over the wire.</summary>
internal sealed record SimulatorRequest(string Node, string Method, string RawPath,
    Dictionary<string, List<string>> Query, Dictionary<string, List<string>> Form, bool HasBody, string? ContentType,
    string? Cookie, string? Csrf, string? Authorization)
{
    internal string[] RawSegments { get; } = RawPath["/api2/json".Length..]
        .Split('/', StringSplitOptions.RemoveEmptyEntries);

    internal string[] Segments => field ??= [.. RawSegments.Select(Uri.UnescapeDataString)];

    internal Dictionary<string, List<string>> Arguments => Method is "POST" or "PUT" ? Form : Query;

    internal string? this[string name] => Arguments.TryGetValue(name, out List<string>? values) ? values[0] : null;

    internal string Path => "/" + string.Join('/', Segments);

    public override string ToString() =>
        $"{Method} {Path} {string.Join('&', Arguments.SelectMany(a => a.Value.Select(v => $"{a.Key}={v}")))}";
}

/// <summary>An answer.</summary>
internal sealed record SimulatorReply(int Status, object? Data, string? Reason = null, object? Errors = null,
    long? Total = null, string? RawBody = null)
{
    internal static SimulatorReply Ok(object? data, long? total = null) => new(200, data, Total: total);

    internal static SimulatorReply Fail(int status, string reason, object? errors = null) =>
        new(status, null, reason, errors);

    /// <summary>An answer that takes its time, and is waited for where others need not wait.</summary>
    internal static SimulatorReply Later(Func<SimulatorReply> fetch) => new(200, null) { Fetch = fetch };

    /// <summary>Gives the answer itself; null where this is it.</summary>
    internal Func<SimulatorReply>? Fetch { get; private init; }
}

/// <summary>Breaks off a request with an answer of the server's own.</summary>
internal sealed class SimulatorRefusal(int status, string reason, object? errors = null) : Exception(reason)
{
    /// <summary>
    /// How the server's own code refuses an argument: the reason is always the same, and the words stand under the
    /// argument's name.
    /// </summary>
    internal static SimulatorRefusal Parameter(string name, string words) =>
        new(400, "Parameter verification failed.", new Dictionary<string, string> { [name] = words });

    internal SimulatorReply Reply { get; } = SimulatorReply.Fail(status, reason, errors);
}
