using Natalia.Backup.Commands;

namespace Natalia.Backup.Sessions;

/// <summary>
/// The commands of this module that run in a runspace at this moment, in the order in which they began: those of one pipeline begin from its front to its end. All members may be called from any thread.
/// </summary>
internal sealed class ActiveCommands
{
    private readonly object _gate = new();
    private readonly List<NataliaCommand> _commands = [];

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
            // What began later and still runs while this one does is behind it: what runs inside of it has ended by the time it asks.
            int own = _commands.IndexOf(command);
            return own < 0 ? null : _commands.Skip(own + 1).LastOrDefault(c => c.MyInvocation.PipelineLength == command.MyInvocation.PipelineLength && c.MyInvocation.PipelinePosition > command.MyInvocation.PipelinePosition);
        }
    }
}
