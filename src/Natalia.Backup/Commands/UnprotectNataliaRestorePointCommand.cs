using System.Globalization;
using System.Management.Automation;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Operations.Points;
using Natalia.Backup.Pipeline;

namespace Natalia.Backup.Commands;

/// <summary>Lifts the protection of restore points, so that retention may remove them again.</summary>
/// <remarks>
/// <para>Nothing is removed by this. At the next Invoke-NataliaRetention the point counts like any other, and goes when
/// the policy does not keep it.</para>
/// <para>Who did it, when and why goes into the audit log. Of a point that is not protected nothing is recorded; of one
/// in a storage of Proxmox VE, whose mark others can change, each wish is.</para>
/// </remarks>
/// <example>
/// <code>Get-NataliaRestorePoint | Where-Object IsProtected | Unprotect-NataliaRestorePoint -Reason 'The upgrade to 5.2 is accepted'</code>
/// <para>Lifts the protection of every point that has one.</para>
/// </example>
/// <example>
/// <code>Unprotect-NataliaRestorePoint -RestorePointId 3fa9 -Reason 'Case 17 is closed' -PassThru</code>
/// <para>Lifts the protection of one point and shows it.</para>
/// </example>
[Cmdlet(VerbsSecurity.Unprotect, "NataliaRestorePoint", SupportsShouldProcess = true,
    ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(RestorePoint))]
public sealed class UnprotectNataliaRestorePointCommand : RestorePointCommand
{
    /// <summary>
    /// What is piped in: restore points, or rows of a retention plan. Results of checks and audit records carry the ids
    /// of points, too, and are refused.
    /// </summary>
    [Parameter(ValueFromPipeline = true)]
    [ValidateNotNull]
    public PSObject? InputObject { get; set; }

    /// <summary>Why, for the audit log.</summary>
    [Parameter(Mandatory = true)]
    [ValidateLength(1, 1000)]
    public string Reason { get; set; } = "";

    /// <summary>Write the restore point as it is now to the pipeline.</summary>
    [Parameter]
    public SwitchParameter PassThru { get; set; }

    private protected override void CheckInput() => PipedReport.RequirePoint(InputObject);

    private protected override async Task ProcessPointAsync(LocatedPoint point, CancellationToken cancellationToken)
    {
        string target = string.Format(CultureInfo.InvariantCulture, "{0} ({1}) in repository '{2}'", point.Point,
            point.Point.RestorePointId, point.Repository.Name);
        if (!await ShouldProcessAsync(target, "Lift the protection of the restore point").ConfigureAwait(false)) return;
        RestorePoint after = await Evidence.Over(point.Repository)
            .SetProtectionAsync(point.Point, isProtected: false, Reason, cancellationToken).ConfigureAwait(false);
        if (!point.Point.IsProtected)
            EmitVerbose($"The restore point {point.Point} was not protected.");
        if (PassThru) Emit(after);
    }
}
