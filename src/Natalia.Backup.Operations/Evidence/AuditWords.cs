using System.Text.RegularExpressions;
using Natalia.Backup.Engine.Audit;

namespace Natalia.Backup.Operations.Evidence;

/// <summary>Events in words.</summary>
internal static class AuditWords
{
    /// <summary><c>PointMade</c> becomes <c>point made</c>.</summary>
    internal static string Of(NativeEvent what) =>
        Regex.Replace(what.ToString(), "(?<!^)([A-Z])", " $1").ToLowerInvariant();
}
