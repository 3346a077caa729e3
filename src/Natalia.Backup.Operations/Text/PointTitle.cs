using System.Globalization;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Operations.Text;

/// <summary>What a progress bar calls a restore point: its console cuts a title of more than 40 cells.</summary>
internal static class PointTitle
{
    /// <summary>The appliance and the point's minute, UTC.</summary>
    internal static string Of(RestorePoint point) =>
        $"{point.ApplianceName} {point.TimeUtc.ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture)}Z";
}
