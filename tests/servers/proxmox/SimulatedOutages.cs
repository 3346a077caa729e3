using System.Collections.Concurrent;

namespace Natalia.Backup.ProxmoxSimulator;

/// <summary>
/// Nodes that are down. The cluster knows that at once; the overview shows what it last heard of their VMs and storages
/// for five minutes more, and then only that they exist.
/// </summary>
internal sealed class SimulatedOutages(JumpingClock clock)
{
    private static readonly TimeSpan s_memory = TimeSpan.FromMinutes(5);
    private readonly ConcurrentDictionary<string, DateTimeOffset> _since = [];

    internal void Add(string node) => _since[node] = clock.GetUtcNow();

    internal void Remove(string node) => _since.TryRemove(node, out _);

    internal bool Contains(string node) => _since.ContainsKey(node);

    internal bool IsForgotten(string node) =>
        _since.TryGetValue(node, out DateTimeOffset since) && clock.GetUtcNow() - since > s_memory;
}
