using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Arguments;

/// <summary>Completes the VM hosts of connected hypervisors.</summary>
public sealed class VMHostCompleter : KnownNameCompleter
{
    private protected override IReadOnlyList<string> Choose(IKnownNames known) => known.VMHosts;
}
