using System.Globalization;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Operations.Points;

/// <summary>What is said of restore points that should be there.</summary>
internal static class MissingPointsText
{
    /// <summary>How many are missing of which appliance, and who tells more.</summary>
    internal static string Describe(this MissingPoints missing, RepositoryConnection repository) =>
        string.Format(CultureInfo.InvariantCulture, missing.Count == 1
        ? "1 restore point of {1} in '{2}' is missing: its manifest is not there, although the log knows the point. "
            + "Repair-NataliaRepository -WhatIf tells more."
        : "{0} restore points of {1} in '{2}' are missing: their manifests are not there, although the log knows the "
            + "points. Repair-NataliaRepository -WhatIf tells more.",
        missing.Count, missing.ApplianceName ?? missing.ApplianceId, repository.Name);
}
