using System.Management.Automation.Runspaces;
using System.Runtime.CompilerServices;

namespace Natalia.Backup.Commands;

/// <summary>
/// The commands of this module that run in a runspace at this moment, in the order in which they began: those of one
/// pipeline begin from its front to its end. All members may be called from any thread.
/// </summary>
internal sealed class ActiveCommands
{
    private static readonly ConditionalWeakTable<Runspace, ActiveCommands> s_ofRunspaces = new();

    private readonly object _gate = new();
    private readonly List<NataliaCommand> _commands = [];

    /// <summary>Those of the runspace that the calling thread works for. Call it on a pipeline thread.</summary>
    internal static ActiveCommands OfCurrentRunspace() => s_ofRunspaces.GetOrCreateValue(Runspace.DefaultRunspace);

    internal void Begin(NataliaCommand command)
    {
        lock (_gate) _commands.Add(command);
    }

    internal void End(NataliaCommand command)
    {
        lock (_gate) _commands.Remove(command);
    }

    /// <summary>The last command behind this one in its pipeline; null when there is none of this module.</summary>
    internal NataliaCommand? Behind(NataliaCommand command)
    {
        lock (_gate)
        {
            // What began later and still runs while this one does is behind it: what runs inside of it has ended by the
            // time it asks.
            int own = _commands.IndexOf(command);
            if (own < 0) return null;
            return _commands.Skip(own + 1)
                .LastOrDefault(c => c.MyInvocation.PipelineLength == command.MyInvocation.PipelineLength
                && c.MyInvocation.PipelinePosition > command.MyInvocation.PipelinePosition);
        }
    }
}
