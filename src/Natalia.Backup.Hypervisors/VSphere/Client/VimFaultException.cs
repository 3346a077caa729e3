using System.Xml.Linq;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.VSphere.Client;

/// <summary>A call, or a task, that the server answered with a fault. Holds what it said; never arguments.</summary>
internal sealed class VimFaultException : NataliaException
{
    internal VimFaultException(string errorId, NataliaErrorKind kind, string message, string faultName,
        XElement? detail = null, string? target = null, string? recommendedAction = null, Exception? inner = null)
        : base(errorId, kind, message, target, recommendedAction, inner)
    {
        FaultName = faultName;
        Detail = detail;
    }

    /// <summary>
    /// The fault's type in the vim25 schema: <c>FileFault</c>, <c>NotAuthenticated</c>, <c>RestrictedVersion</c>; empty
    /// when the server named none.
    /// </summary>
    internal string FaultName { get; }

    /// <summary>The fault's own members; null when it has none.</summary>
    internal XElement? Detail { get; }

    /// <summary>Whether the fault is one of some types.</summary>
    internal bool Is(params string[] names) => names.Contains(FaultName, StringComparer.Ordinal);
}
