using System.Text.Json;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Engine.Repositories;

public sealed partial class Repository
{
    /// <summary>The appliances that have anything in the repository, by id, with the names that its log has for them. Needs no password, and reads no restore point.</summary>
    /// <param name="cancellationToken">Stops it.</param>
    public async Task<IReadOnlyList<KnownAppliance>> GetAppliancesAsync(CancellationToken cancellationToken)
    {
        var appliances = new List<KnownAppliance>();
        foreach (string id in await _core.ListAppliancesAsync(cancellationToken).ConfigureAwait(false))
            appliances.Add(new KnownAppliance(id, await FindNameAsync(_core.ApplianceLog(id), cancellationToken).ConfigureAwait(false)));
        return appliances;
    }

    /// <summary>The name under which the appliance is enrolled, else the one that its newest point was made with, else the one that evidence of another repository has for it.</summary>
    private static async Task<string?> FindNameAsync(AuditLog log, CancellationToken cancellationToken)
    {
        List<AuditName> names = await log.ListAsync(cancellationToken).ConfigureAwait(false);
        names.Reverse();
        foreach (AuditName name in names.Where(n => n.Event == AuditEvents.ApplianceSet).Concat(names.Where(n => n.Event == AuditEvents.PointMade)).Concat(names.Where(n => NativeRecords.IsOne(n.Event))))
        {
            try
            {
                AuditRecord record = await log.ReadAsync(name, cancellationToken).ConfigureAwait(false);
                using JsonDocument data = JsonDocument.Parse(record.Data ?? "{}");
                if (data.RootElement.ReadStringOrNull("name") is string found) return found;
            }
            catch (FormatException)
            {
                // Damaged or not signed: it has no effect, and the checks of repository and log report it.
            }
        }
        return null;
    }
}
