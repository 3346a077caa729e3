using System.Collections.Concurrent;

namespace Natalia.Backup.Hypervisors.Proxmox.Rest;

/// <summary>
/// The nodes whose answers did not reach the node that was asked. While that is fresh they are asked once and not again
/// and again: a hundred VMs of a dead host would each take the time of all repetitions. Any thread.
/// </summary>
internal sealed class SilentNodes(TimeProvider clock)
{
    private static readonly TimeSpan s_memory = TimeSpan.FromMinutes(1);
    private readonly ConcurrentDictionary<string, long> _since = new(StringComparer.Ordinal);

    internal bool IsSilent(ApiPath path) =>
        NodeOf(path) is string node && _since.TryGetValue(node, out long since)
        && clock.GetElapsedTime(since) < s_memory;

    internal void Failed(ApiPath path)
    {
        if (NodeOf(path) is string node) _since[node] = clock.GetTimestamp();
    }

    internal void Answered(ApiPath path)
    {
        if (!_since.IsEmpty && NodeOf(path) is string node) _since.TryRemove(node, out _);
    }

    private static string? NodeOf(ApiPath path) =>
        path.Encoded.Split('/') is { Length: > 3 } parts && parts[1] == "nodes" ? parts[2] : null;
}
