namespace Natalia.Backup.Hypervisors.HyperV.Cim;

/// <summary>Why a call did not come to an answer.</summary>
internal enum CimFault
{
    /// <summary>The provider failed, or said what is none of the others.</summary>
    Provider = 0,
    /// <summary>The user has no right to it.</summary>
    AccessDenied,
    /// <summary>There is no such object.</summary>
    NotFound,
    /// <summary>There is no such namespace or class.</summary>
    NoSuchClass,
    /// <summary>The computer was not reached, or the connection broke: what became of the call is not known.</summary>
    Transport,
    /// <summary>The answer is larger than the transport lets through.</summary>
    AnswerTooLarge,
}

/// <summary>A call that did not come to an answer, with the computer's own words.</summary>
internal sealed class CimFaultException(CimFault fault, string message, Exception? inner = null)
    : Exception(message, inner)
{
    internal CimFault Fault => fault;
}
