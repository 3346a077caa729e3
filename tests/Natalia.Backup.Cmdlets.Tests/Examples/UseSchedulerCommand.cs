using System.Management.Automation;
using Natalia.Backup.Commands;
using Natalia.Backup.Operations.Schedules;
using Natalia.Backup.Operations.Schedules.Model;

namespace Natalia.Backup.Cmdlets.Tests.Examples;

/// <summary>Gives the session another scheduler than this machine's: <c>Use-Scheduler $scheduler</c>.</summary>
[Cmdlet(VerbsOther.Use, "Scheduler")]
public sealed class UseSchedulerCommand : NataliaCommand
{
    [Parameter(Mandatory = true, Position = 0)]
    public object Scheduler { get; set; } = null!;

    private protected override Task ProcessAsync(CancellationToken cancellationToken)
    {
        Schedulers.Replace(Registry, (IScheduler)(Scheduler is PSObject wrapped ? wrapped.BaseObject : Scheduler));
        return Task.CompletedTask;
    }
}
