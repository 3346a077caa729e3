using System.Globalization;
using System.Management.Automation;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Operations.Points;

namespace Natalia.Backup.Commands;

/// <summary>Protects restore points from removal: by retention and by hand.</summary>
/// <remarks>
/// <para>A protected point stays whatever the retention policy says, until Unprotect-NataliaRestorePoint lifts it. It
/// uses none of the policy's slots and stands for no day, week or month.</para>
/// <para>Who did it, when and why goes into the audit log. Of a point that is protected already, another reason is
/// recorded as well; the same one again is not, but for a point in a storage of Proxmox VE, whose mark others can
/// change: of one each wish is.</para>
/// </remarks>
/// <example>
/// <code>Get-NataliaRestorePoint -Appliance natalia-paris -Latest | Protect-NataliaRestorePoint -Reason 'Before the upgrade to 5.2'</code>
/// <para>Keeps the state before an upgrade.</para>
/// </example>
/// <example>
/// <code>Protect-NataliaRestorePoint -RestorePointId 3fa9 -Reason 'Evidence for case 17' -WhatIf</code>
/// <para>Shows which point would be protected.</para>
/// </example>
[Cmdlet(VerbsSecurity.Protect, "NataliaRestorePoint", SupportsShouldProcess = true,
    ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(RestorePoint))]
public sealed class ProtectNataliaRestorePointCommand : RestorePointCommand
{
    /// <summary>Why, for the audit log.</summary>
    [Parameter(Mandatory = true)]
    [ValidateLength(1, 1000)]
    public string Reason { get; set; } = "";

    /// <summary>Write the restore point as it is now to the pipeline.</summary>
    [Parameter]
    public SwitchParameter PassThru { get; set; }

    private protected override string MissedWithoutInput => "no restore point was protected";

    private protected override async Task ProcessPointAsync(LocatedPoint point, CancellationToken cancellationToken)
    {
        string target = string.Format(CultureInfo.InvariantCulture, "{0} ({1}) in repository '{2}'", point.Point,
            point.Point.RestorePointId, point.Repository.Name);
        if (!await ShouldProcessAsync(target, "Protect the restore point from removal").ConfigureAwait(false)) return;
        RestorePoint after = await Evidence.Over(point.Repository)
            .SetProtectionAsync(point.Point, isProtected: true, Reason, cancellationToken).ConfigureAwait(false);
        if (point.Point.IsProtected)
            EmitVerbose($"The restore point {point.Point} was protected already; only another reason is recorded.");
        if (PassThru) Emit(after);
    }
}
