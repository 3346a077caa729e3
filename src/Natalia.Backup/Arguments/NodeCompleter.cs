using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Arguments;

/// <summary>Completes the nodes of connected hypervisors.</summary>
public sealed class NodeCompleter : KnownNameCompleter
{
    private protected override IReadOnlyList<string> Choose(IKnownNames known) => known.Nodes;
}
