using Microsoft.Management.Infrastructure;
using Natalia.Backup.Hypervisors.HyperV.Cim;

namespace Natalia.Backup.Hypervisors.HyperV.Windows;

/// <summary>What Windows' CIM client calls the things of the gateway; pure, and tested wherever it loads.</summary>
internal static class MmiMaps
{
    /// <summary>The type of an argument.</summary>
    internal static CimType TypeOf(CimKind kind, bool isArray) => (kind, isArray) switch
    {
        (CimKind.Boolean, false) => CimType.Boolean,
        (CimKind.UInt8, false) => CimType.UInt8,
        (CimKind.UInt16, false) => CimType.UInt16,
        (CimKind.UInt32, false) => CimType.UInt32,
        (CimKind.UInt64, false) => CimType.UInt64,
        (CimKind.String, false) => CimType.String,
        (CimKind.DateTime, false) => CimType.DateTime,
        (CimKind.Reference, false) => CimType.Reference,
        (CimKind.Boolean, true) => CimType.BooleanArray,
        (CimKind.UInt8, true) => CimType.UInt8Array,
        (CimKind.UInt16, true) => CimType.UInt16Array,
        (CimKind.UInt32, true) => CimType.UInt32Array,
        (CimKind.UInt64, true) => CimType.UInt64Array,
        (CimKind.String, true) => CimType.StringArray,
        (CimKind.DateTime, true) => CimType.DateTimeArray,
        (CimKind.Reference, true) => CimType.ReferenceArray,
        _ => throw new ArgumentOutOfRangeException(nameof(kind)),
    };

    /// <summary>
    /// Which fault an error is. WS-Management has codes of its own, which the client gives as <c>HRESULT 0x…</c>
    /// (wsmerror.h); everything of its facility that is not known better is the transport's.
    /// </summary>
    /// <param name="code">The client's code.</param>
    /// <param name="messageId">The id of the message; null for none.</param>
    internal static CimFault FaultOf(NativeErrorCode code, string? messageId)
    {
        string id = messageId?.ToUpperInvariant() ?? "";
        return id.EndsWith("0X80338047", StringComparison.Ordinal)
            || id.EndsWith("0X80338048", StringComparison.Ordinal)
            || id.EndsWith("0X80338049", StringComparison.Ordinal) ? CimFault.AnswerTooLarge
            : id.EndsWith("0X80070005", StringComparison.Ordinal) ? CimFault.AccessDenied
            // 0x800706BA the RPC server is unavailable, 0x800706BE and 0x800706BF the call broke, 0x80070035 no path.
            : id.Contains("0X80338") || id.Contains("0X800706B") || id.EndsWith("0X80070035", StringComparison.Ordinal)
                ? CimFault.Transport
            : code switch
            {
                NativeErrorCode.AccessDenied => CimFault.AccessDenied,
                NativeErrorCode.NotFound => CimFault.NotFound,
                NativeErrorCode.InvalidNamespace or NativeErrorCode.InvalidClass => CimFault.NoSuchClass,
                NativeErrorCode.ServerIsShuttingDown => CimFault.Transport,
                NativeErrorCode.ServerLimitsExceeded => CimFault.AnswerTooLarge,
                _ => CimFault.Provider,
            };
    }
}
