using System.Globalization;

namespace Natalia.Backup.Serving.Iscsi;

/// <summary>
/// The login phase of a connection: who the initiator is, and on what terms it is served. RFC 7143 §6.3 and §11.12.
/// </summary>
/// <param name="pdus">The connection.</param>
/// <param name="target">The target.</param>
internal sealed class IscsiLogin(PduStream pdus, IscsiTarget target)
{
    private const int SecurityStage = 0, OperationalStage = 1, FullStage = 3, MostRounds = 32;

    /// <summary>Of an iSCSI name: RFC 7143 §4.2.7.</summary>
    private const int LongestName = 223;

    private const ushort AuthenticationFailed = 0x0201, NotAllowed = 0x0202, NotFound = 0x0203, MissingParameter =
        0x0207,
        NoSuchSession = 0x020A, InitiatorError = 0x0200;

    private readonly SessionTerms _terms = new();
    private bool _isProved = target.Account is null, _isFirst = true;
    private (byte Id, byte[] Challenge, int Algorithm)? _challenge;
    private uint _statSn;

    /// <summary>Why a login is refused.</summary>
    private sealed class RefusedException(ushort status) : Exception
    {
        internal ushort Status => status;
    }

    /// <summary>Runs the login.</summary>
    /// <returns>The terms and the next numbers of commands and of answers; null when it was refused.</returns>
    internal async Task<(SessionTerms Terms, uint CmdSn,
        uint StatSn)?> ExecuteAsync(CancellationToken cancellationToken)
    {
        var text = new List<byte>();
        for (int round = 0; round < MostRounds; round++)
        {
            Pdu request = await pdus.ReadAsync(cancellationToken).ConfigureAwait(false);
            if (request.Opcode != Opcodes.Login) throw new IscsiProtocolException("This is no login.");
            if (_isFirst) _statSn = request[28];
            text.AddRange(request.Data.ToArray());
            if (text.Count > PduStream.LargestData) throw new IscsiProtocolException("A login is too long.");
            int current = request.Flags >> 2 & 3, next = request.Flags & 3;
            bool transits = (request.Flags & 0x80) != 0, continues = (request.Flags & 0x40) != 0;
            var answer = new Pdu(Opcodes.LoginResponse, (byte)(current << 2)) { Tag = request.Tag };
            Array.Copy(request.Header, 8, answer.Header, 8, 8);
            answer[28] = request[24] + 1;
            try
            {
                if (continues)
                {
                    await SendAsync(answer, request, [], cancellationToken).ConfigureAwait(false);
                    continue;
                }
                List<(string, string)> answers = Negotiate(request, current, TextKeys.Parse(text.ToArray()));
                text.Clear();
                if (current == SecurityStage && !_isProved) transits = false;
                if (transits && next == FullStage && !_isProved) throw new RefusedException(AuthenticationFailed);
                bool ends = transits && next == FullStage;
                if (ends) _terms.Tsih = target.NewTsih();
                if (transits) answer.Header[1] = (byte)(0x80 | current << 2 | next);
                // In the answer that ends the login.
                if (ends) (answer.Header[14], answer.Header[15]) = ((byte)(_terms.Tsih >> 8), (byte)_terms.Tsih);
                await SendAsync(answer, request, TextKeys.Encode(answers), cancellationToken).ConfigureAwait(false);
                if (ends) return (_terms, request[24], _statSn);
            }
            catch (RefusedException refused)
            {
                (answer.Header[36], answer.Header[37]) = ((byte)(refused.Status >> 8), (byte)refused.Status);
                answer.Header[1] = (byte)(current << 2);
                await SendAsync(answer, request, [], cancellationToken).ConfigureAwait(false);
                return null;
            }
        }
        return null;
    }

    private async Task SendAsync(Pdu answer, Pdu request, byte[] text, CancellationToken cancellationToken)
    {
        answer[24] = _statSn++;
        answer[28] = request[24];
        answer[32] = request[24] + 1;
        await pdus.WriteAsync(new Pdu(answer.Header, text) { Data = text }, cancellationToken).ConfigureAwait(false);
    }

    private List<(string, string)> Negotiate(Pdu request, int stage, List<(string Key, string Value)> keys)
    {
        var answers = new List<(string, string)>();
        string? Find(string key) => keys.Find(k => k.Key == key).Value;
        if (request.Header[3] > 0) throw new RefusedException(0x0205);
        if (_isFirst)
        {
            _isFirst = false;
            _terms.SessionId = request.Lun >> 16;
            // One connection a session: several ways to a disk are several sessions.
            if ((request.Header[14] << 8 | request.Header[15]) != 0) throw new RefusedException(NoSuchSession);
            _terms.InitiatorName = Find("InitiatorName") ?? throw new RefusedException(MissingParameter);
            if (_terms.InitiatorName.Length is 0 or > LongestName) throw new RefusedException(InitiatorError);
            _terms.IsDiscovery = Find("SessionType") == "Discovery";
            if (!_terms.IsDiscovery)
            {
                _terms.TargetName = Find("TargetName") ?? throw new RefusedException(MissingParameter);
                if (!string.Equals(_terms.TargetName, target.Name, StringComparison.OrdinalIgnoreCase))
                    throw new RefusedException(NotFound);
            }
            if (!target.Allows(_terms.InitiatorName)) throw new RefusedException(NotAllowed);
            answers.Add(("TargetPortalGroupTag", "1"));
        }
        if (stage == OperationalStage && !_isProved) throw new RefusedException(AuthenticationFailed);
        if (stage == 2) throw new RefusedException(InitiatorError);
        foreach ((string key, string value) in keys)
        {
            switch (key)
            {
                case "InitiatorName" or "TargetName" or "SessionType" or "InitiatorAlias":
                    break;
                case "AuthMethod":
                    answers.Add((key, ChooseMethod(value)));
                    break;
                case "CHAP_A":
                    answers.AddRange(Challenge(value));
                    break;
                case "CHAP_N":
                    Prove(value, Find("CHAP_R"));
                    break;
                case "CHAP_R":
                    break;
                case "CHAP_I" or "CHAP_C":
                    // The initiator wants this side to prove itself, and there is no secret for that.
                    throw new RefusedException(AuthenticationFailed);
                default:
                    if (stage == OperationalStage && _terms.Answer(key, value) is string said) answers.Add((key, said));
                    break;
            }
        }
        return answers;
    }

    private string ChooseMethod(string offered)
    {
        string[] methods = offered.Split(',');
        if (target.Account is null && methods.Contains("None")) return "None";
        if (target.Account is not null && methods.Contains("CHAP")) return "CHAP";
        throw new RefusedException(AuthenticationFailed);
    }

    private IEnumerable<(string, string)> Challenge(string offered)
    {
        if (target.Account is null || ChapAccount.Choose(offered) is not int algorithm)
            throw new RefusedException(AuthenticationFailed);
        byte[] challenge = ChapAccount.NewChallenge();
        _challenge = (challenge[0], challenge, algorithm);
        return [("CHAP_A", algorithm.ToString(CultureInfo.InvariantCulture)),
            ("CHAP_I", challenge[0].ToString(CultureInfo.InvariantCulture)),
            ("CHAP_C", ChapAccount.Hexadecimal(challenge))];
    }

    private void Prove(string name, string? response)
    {
        // A challenge is for one answer.
        if (_challenge is not var (id, challenge, algorithm) || response is null
            || !target.Account!.Proves(name, response, id, challenge, algorithm))
            throw new RefusedException(AuthenticationFailed);
        (_challenge, _isProved) = (null, true);
    }
}
