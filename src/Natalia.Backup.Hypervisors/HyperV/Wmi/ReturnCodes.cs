using System.Globalization;

namespace Natalia.Backup.Hypervisors.HyperV.Wmi;

/// <summary>
/// What methods of Hyper-V return. The same number means different things, by the method and not by its service: the
/// older methods have the codes of the DMTF, the newer ones Microsoft's from 32768 on, and a method of the first kind
/// may return codes of the second. Microsoft's documentation of each method.
/// </summary>
internal static class ReturnCodes
{
    internal const long Completed = 0;
    internal const long JobStarted = 4096;

    private static readonly Dictionary<long, string> s_microsoft = new()
    {
        [32768] = "Failed",
        [32769] = "Access Denied",
        [32770] = "Not Supported",
        [32771] = "Status is unknown",
        [32772] = "Timeout",
        [32773] = "Invalid parameter",
        [32774] = "System is in use",
        [32775] = "Invalid state for this operation",
        [32776] = "Incorrect data type",
        [32777] = "System is not available",
        [32778] = "Out of memory",
        [32779] = "File not found",
        [32780] = "The system is not ready",
        [32781] = "The machine is locked and cannot be shut down without the force option",
        [32782] = "A system shutdown is in progress",
        [32787] = "Vhd differencing chain cycle detected",
        [32789] = "Object not found",
    };

    private static readonly Dictionary<long, string> s_dmtf = new()
    {
        [1] = "Not Supported",
        [2] = "Failed",
        [3] = "Timeout",
        [4] = "Invalid Parameter",
        [5] = "Invalid State",
    };

    private static readonly Dictionary<long, string> s_stateChange = new()
    {
        [1] = "Not Supported",
        [2] = "Unknown/Unspecified Error",
        [3] = "Cannot complete within Timeout Period",
        [4] = "Failed",
        [5] = "Invalid Parameter",
        [6] = "In Use",
        [4097] = "Invalid State Transition",
        [4098] = "Use of Timeout Parameter Not Supported",
        [4099] = "Busy",
    };

    /// <summary>The methods of the DMTF's kind, and what their code 6 means.</summary>
    private static readonly Dictionary<string, string?> s_dmtfMethods = new(StringComparer.Ordinal)
    {
        ["Msvm_VirtualSystemSnapshotService.CreateSnapshot"] = "Invalid Type",
        ["Msvm_VirtualSystemSnapshotService.DestroySnapshot"] = "Invalid Type",
        ["Msvm_VirtualSystemSnapshotService.ConvertToReferencePoint"] = "Invalid Type",
        ["Msvm_VirtualSystemSnapshotService.ApplySnapshot"] = "Invalid Type",
        ["Msvm_VirtualSystemManagementService.DefineSystem"] = null,
        ["Msvm_VirtualSystemManagementService.DestroySystem"] = null,
        ["Msvm_VirtualSystemManagementService.AddResourceSettings"] = null,
        ["Msvm_VirtualSystemManagementService.AddFeatureSettings"] = null,
        ["Msvm_VirtualSystemManagementService.RemoveResourceSettings"] = null,
        ["Msvm_VirtualSystemManagementService.ModifySystemSettings"] = "Incompatible Parameters",
        ["Msvm_VirtualSystemManagementService.ModifyResourceSettings"] = "Incompatible Parameters",
        ["Msvm_VirtualSystemManagementService.ModifyFeatureSettings"] = "Incompatible Parameters",
        ["Msvm_VirtualSystemManagementService.ModifyGuestServiceSettings"] = "Incompatible Parameters",
    };

    /// <summary>What a code of a method means; <c>unknown code n</c> where nothing says it.</summary>
    internal static string Describe(string className, string method, long code)
    {
        string? text = null;
        if (className == "Msvm_ConcreteJob" && method == "RequestStateChange")
            s_stateChange.TryGetValue(code, out text);
        else if (s_dmtfMethods.TryGetValue($"{className}.{method}", out string? six))
        {
            if (code == 6) text = six;
            else s_dmtf.TryGetValue(code, out text);
        }
        if (text is null && !(code == 32779 && method == "ImportSystemDefinition"))
            s_microsoft.TryGetValue(code, out text);
        if (code == 32779 && method == "ImportSystemDefinition") text = "File in Use";
        return text ?? "unknown code " + code.ToString(CultureInfo.InvariantCulture);
    }
}
