using System.Management.Automation;
using Natalia.Backup.Engine.Retention;
using Natalia.Backup.Retention;

namespace Natalia.Backup.Commands;

/// <summary>x</summary>
[Cmdlet(VerbsCommon.Get, "NataliaRetentionPlan")]
[OutputType(typeof(RetentionPlanRow))]
public sealed class GetNataliaRetentionPlanCommand : NataliaCommand
{
    private readonly List<RetentionPoint> _points = [];
    /// <summary>x</summary>
    [Parameter(ValueFromPipeline = true)]
    public PSObject? InputObject { get; set; }
    /// <summary>x</summary>
    [Parameter]
    public int Daily { get; set; }

    private protected override bool TryCollect()
    {
        _points.Add(RetentionInput.Read(InputObject!));
        return true;
    }
    private protected override Task EndAsync(CancellationToken cancellationToken)
    {
        EmitAll(RetentionPlanner.Plan(_points, new RetentionPolicy { Daily = Daily }, DateTime.UtcNow));
        return Task.CompletedTask;
    }
}
