using System.Collections.Concurrent;

namespace Natalia.Backup.Storage.S3;

/// <summary>
/// Remembers which version of a key is its first one, so that reading it does not ask again. Bounded: when full, it
/// forgets everything, which costs requests and nothing else.
/// </summary>
internal sealed class FirstVersions
{
    // About 20 MiB when full.
    private const int Capacity = 100_000;

    private readonly ConcurrentDictionary<string, string> _versions = new(StringComparer.Ordinal);

    internal string? Find(string name) => _versions.TryGetValue(name, out string? version) ? version : null;

    /// <summary>What was known first stays: a later put of the same name only adds a version.</summary>
    internal void Add(string name, string version)
    {
        if (_versions.Count >= Capacity) _versions.Clear();
        _versions.TryAdd(name, version);
    }

    internal void Forget(string name) => _versions.TryRemove(name, out _);
}
