using System.Management.Automation;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Retention;
using Natalia.Backup.Operations.Appliances;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Retention;

namespace Natalia.Backup.Pipeline;

/// <summary>
/// Knows objects that tell of restore points and appliances: they carry ids, which bind by name, and yet nobody who
/// pipes all of them into a removal means to remove all that they tell of. Live objects, those of jobs and files, and
/// rows of which only some properties were selected are known alike.
/// </summary>
internal static class PipedReport
{
    private const string OwnTypes = "Natalia.Backup.";
    private const string Row = nameof(RetentionPlanRow);

    private static readonly string[] s_points = [nameof(RestorePoint)];
    private static readonly string[] s_appliances = [nameof(RestorePoint), nameof(Appliance), nameof(RetentionSetting),
        nameof(RepositorySession)];

    /// <summary>
    /// Refuses what stands for no restore point to remove: of a plan's rows those that are not to be removed, and every
    /// other report.
    /// </summary>
    /// <exception cref="NataliaException"><c>InputRefused</c>.</exception>
    internal static void RequirePointToRemove(PSObject? input)
    {
        if (input is null || Kind(input) is not string kind || s_points.Contains(kind)) return;
        if (kind != Row) throw Refused(input, Words(kind) + " is no restore point to remove");
        string? action = input.Properties[nameof(RetentionPlanRow.Action)]?.Value?.ToString();
        if (!string.Equals(action, nameof(RetentionAction.Remove), StringComparison.OrdinalIgnoreCase))
            throw Refused(input, $"the retention plan says '{action}' of this restore point, not Remove",
                "Choose the rows to remove with Where-Object Action -eq Remove, or run Invoke-NataliaRetention.");
    }

    /// <summary>Refuses every report where a restore point is meant.</summary>
    /// <exception cref="NataliaException"><c>InputRefused</c>.</exception>
    internal static void RequirePoint(PSObject? input)
    {
        if (input is null || Kind(input) is not string kind || kind == Row || s_points.Contains(kind)) return;
        throw Refused(input, Words(kind) + " is no restore point");
    }

    /// <summary>Refuses every report where an appliance is meant.</summary>
    /// <exception cref="NataliaException"><c>InputRefused</c>.</exception>
    internal static void RequireAppliance(PSObject? input)
    {
        if (input is null || Kind(input) is not string kind || s_appliances.Contains(kind)) return;
        throw Refused(input, Words(kind) + " is no appliance",
            kind == Row
                ? "Rows to remove go to Remove-NataliaRestorePoint; what holds for appliances takes those of "
                    + "Get-NataliaAppliance."
                : null);
    }

    /// <summary>
    /// What a thing is: the name of this product's type, or of the type that it has the properties of; null when it is
    /// nothing of this product.
    /// </summary>
    internal static string? Kind(PSObject input)
    {
        string? own = input.TypeNames.FirstOrDefault(t => t.Contains(OwnTypes));
        if (own is not null) return own.Substring(own.LastIndexOf('.') + 1);
        // A row of a file, or what somebody put together of one: known by what no other has.
        if (Has(input, nameof(RetentionPlanRow.Action))) return Row;
        if (Has(input, nameof(AuditRecord.RecordHash))) return nameof(AuditRecord);
        return Has(input, nameof(CheckResult.Result)) ? nameof(CheckResult) : null;
    }

    private static bool Has(PSObject input, string property) => input.Properties[property] is not null;

    private static string Words(string kind) => kind switch
    {
        nameof(CheckResult) => "the result of a check",
        nameof(AuditRecord) => "a record of the audit log",
        Row => "a row of a retention plan",
        nameof(PointCopy) => "the result of a copy",
        nameof(RepairFinding) => "a finding of a repair",
        _ => $"an object of type {kind}",
    };

    internal static NataliaException Refused(PSObject input, string why, string? action = null) =>
        new(ErrorIds.InputRefused, NataliaErrorKind.InvalidArgument,
        $"Nothing was done about '{input}': {why}.", input.ToString(),
        action
        ?? "Pipe what Get-NataliaRestorePoint or Get-NataliaAppliance lists; to act on the point that this tells of, "
        + "name it with -RestorePointId.");
}
