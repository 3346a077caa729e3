using Natalia.Backup.Hypervisors;

namespace Natalia.Backup.Arguments;

/// <summary>Completes the nodes of connected hypervisors.</summary>
public sealed class NodeCompleter : KnownNameCompleter
{
    private protected override IReadOnlyList<string> Choose(IKnownNames known) => known.Nodes;
}
