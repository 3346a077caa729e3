using System.Globalization;

namespace Natalia.Backup.Serving.Iscsi;

/// <summary>What initiator and target agreed on. RFC 7143 §13.</summary>
internal sealed class SessionTerms
{
    internal const int LargestBurst = 256 * 1024;

    internal string InitiatorName { get; set; } = "";
    internal string TargetName { get; set; } = "";
    internal bool IsDiscovery { get; set; }
    internal ulong SessionId { get; set; }
    internal ushort Tsih { get; set; }
    internal bool HeaderDigest { get; private set; }
    internal bool DataDigest { get; private set; }

    /// <summary>What the initiator takes in one PDU.</summary>
    internal int PeerData { get; private set; } = 8192;

    internal int MaxBurst { get; private set; } = LargestBurst;
    internal int FirstBurst { get; private set; } = 64 * 1024;
    internal bool ImmediateData { get; private set; } = true;

    /// <summary>Answers one key of the negotiation; null where nothing is to be said.</summary>
    internal string? Answer(string key, string value)
    {
        switch (key)
        {
            case "HeaderDigest":
                HeaderDigest = PrefersCrc(value);
                return HeaderDigest ? "CRC32C" : "None";
            case "DataDigest":
                DataDigest = PrefersCrc(value);
                return DataDigest ? "CRC32C" : "None";
            case "MaxRecvDataSegmentLength":
                PeerData = Number(value, 512, 0xFFFFFF);
                return PduStream.LargestData.ToString(CultureInfo.InvariantCulture);
            case "MaxBurstLength":
                MaxBurst = Math.Min(LargestBurst, Number(value, 512, 0xFFFFFF));
                return MaxBurst.ToString(CultureInfo.InvariantCulture);
            case "FirstBurstLength":
                FirstBurst = Math.Min(FirstBurst, Number(value, 512, 0xFFFFFF));
                return FirstBurst.ToString(CultureInfo.InvariantCulture);
            case "ImmediateData":
                ImmediateData = value == "Yes";
                return value == "Yes" ? "Yes" : "No";
            case "InitialR2T" or "DataPDUInOrder" or "DataSequenceInOrder":
                return "Yes";
            case "MaxConnections" or "MaxOutstandingR2T":
                return "1";
            case "ErrorRecoveryLevel":
                return "0";
            case "DefaultTime2Wait":
                return Number(value, 0, 3600) is > 2 and int wait ? wait.ToString(CultureInfo.InvariantCulture) : "2";
            case "DefaultTime2Retain":
                return "0";
            case "IFMarker" or "OFMarker":
                return "No";
            case "TaskReporting":
                return "RFC3720";
            case "iSCSIProtocolLevel":
                return "1";
            default:
                return key.StartsWith("Initiator", StringComparison.Ordinal) ? null : "NotUnderstood";
        }
    }

    private static bool PrefersCrc(string offered) => offered.Split(',')[0] == "CRC32C";

    /// <exception cref="IscsiProtocolException">It is none, or too small; one that is too large is the
    /// largest.</exception>
    private static int Number(string text, int least, int most)
    {
        bool isHexadecimal = text.StartsWith("0x", StringComparison.OrdinalIgnoreCase);
        if (!(isHexadecimal
            ? long.TryParse(text.Substring(2), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out long number)
            : long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number)) || number < least)
            throw new IscsiProtocolException("A number of the negotiation is none.");
        return (int)Math.Min(number, most);
    }
}
